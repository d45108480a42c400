"""`recognition-serve doctor`: what a start needs, looked at without starting."""
