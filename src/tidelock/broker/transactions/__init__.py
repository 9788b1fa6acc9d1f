"""The transaction coordinator: who has a transactional id, what its transaction covers, and how it ends."""
