"""The pages, drawn by Streamlit without a browser."""
