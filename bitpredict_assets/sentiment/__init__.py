"""What the news say."""
