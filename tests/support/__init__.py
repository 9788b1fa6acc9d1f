"""What several tests share: engines, databases, waiting."""
