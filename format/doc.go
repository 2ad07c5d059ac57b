// Package format prints lists of objects: as the documented table, as a list,
// as JSON, NDJSON or CSV, or as bare values for a shell script.
//
// An object is a struct. Its tags say how each view shows it:
//
//	type Session struct {
//		ID           int    `json:"Id" table:"Id,right"`
//		Name         string `table:"Name"`
//		Transport    string `wide:"Transport"`
//		Availability string `table:"Availability,right"`
//	}
//
// The property name of a field is its JSON key. A table tag puts the field into
// the default table (label, then "right" or "left"), a wide tag into the wide
// one, which also shows every column of the default table unless its wide tag
// is "-"; a field with a wide tag whose JSON key is "-" is of the wide table alone.
// Columns stand in the order of the fields. A type without table tags prints as a
// list where a table was asked for: of the properties that have a list tag, or else
// of all. A number stands on the right in a column without a tag of its own, unless
// it is tagged align:"left".
//
// Every mode but the JSON ones is for people and for line-oriented tools: text
// that comes from another computer is cleaned of control characters first, so
// that it cannot drive the terminal, and every object stays on its line. JSON
// is exact; there the same characters are escaped.
//
// Nothing is prepared before the first Write: a command that prints nothing
// pays nothing.
package format
