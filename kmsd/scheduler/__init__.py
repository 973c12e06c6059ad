"""What happens by the clock: keys rotated, deleted, and without their imported material; states that dates change."""
