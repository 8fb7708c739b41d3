#part-handler
def list_types():
    return ["text/plain"]
def handle_part(data, ctype, filename, payload):
    return
