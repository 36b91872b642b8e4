"""What each metric can and cannot see: its response to real data with controlled damage at graded levels."""
