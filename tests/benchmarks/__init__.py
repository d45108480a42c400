"""The scripts that measure, as far as they decide something themselves."""
