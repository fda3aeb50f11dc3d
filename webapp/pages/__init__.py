"""What pages show: rows of the repository and live clients put in words and shapes. Knows no HTTP and no markup."""
