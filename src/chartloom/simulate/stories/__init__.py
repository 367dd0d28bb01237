"""What happens to people: each module tells one kind of story as processes of a patient."""
