"""Makes published factors from a ledger and its journal."""
