"""Who may call: tokens, what each may do, and the gates that ask for them on every door."""
