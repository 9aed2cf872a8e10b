"""Fields of crop and weeds."""
