"""The pages people look at; they speak HTTP to the gateway and nothing else."""
