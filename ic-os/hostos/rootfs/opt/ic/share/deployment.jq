# Each value of a JSON object of objects as a line SECTION.KEY=value, in the order of the file, and one that comes twice twice:
# host-config.awk says what it thinks of them. Run with --stream. What would disturb a line, or be no text and no number, becomes
# what no value may have.
select(length == 2)
# A section may be empty.
| select((.[0] | length) > 1 or .[1] != {})
| (.[0] | map(tostring | gsub("[^A-Za-z0-9_-]"; "?")) | join(".")) as $key
| .[1]
| if type == "string" or type == "number" then tostring | gsub("[^ -~]"; "\\")
  else "<\(type)>"
  end
| "\($key)=\(.)"
