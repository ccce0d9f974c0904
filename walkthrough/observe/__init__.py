"""What looks at both contexts and changes nothing."""
