"""What reactions mean, and how they become votes."""
