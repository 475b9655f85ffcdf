"""From the files of a repository to the file that is served."""
