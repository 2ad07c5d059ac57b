package verbs

import (
	"encoding/csv"
	"strings"
	"unicode"
)

// refShape reads the lines of one printed output after its first one.
type refShape interface {
	// line reads a line; taken is false if it does not belong to the shape, which
	// then has ended.
	line(text string) (refs []SessionRef, taken bool, err error)
	// end returns what has been begun.
	end() ([]SessionRef, error)
}

// refCSV is output as CSV: a header, and a line for each object.
type refCSV struct{ header []string }

// newRefCSV tells the header of CSV: names of properties, one of which identifies.
func newRefCSV(line string) *refCSV {
	names := strings.Split(line, ",")
	identity := false
	for _, n := range names {
		if !isProperty(n) {
			return nil
		}
		identity = identity || isIdentity(n)
	}
	if len(names) < 2 || !identity {
		return nil
	}
	return &refCSV{names}
}

func (c *refCSV) line(text string) ([]SessionRef, bool, error) {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil || len(fields) != len(c.header) {
		return nil, false, nil
	}
	var ref refFields
	for i, name := range c.header {
		ref.set(name, fields[i])
	}
	refs, err := ref.refs()
	return refs, true, err
}

func (c *refCSV) end() ([]SessionRef, error) { return nil, nil }

// refList is output as a list: a property a line, a blank line between objects.
type refList struct{ fields refFields }

// newRefList tells the first line of a list.
func newRefList(line string) *refList {
	name, _, ok := listLine(line)
	if !ok || !isIdentity(name) {
		return nil
	}
	return &refList{}
}

func (l *refList) line(text string) ([]SessionRef, bool, error) {
	name, value, ok := listLine(text)
	if !ok {
		return nil, false, nil
	}
	if !l.fields.has(name) {
		l.fields.set(name, value)
		return nil, true, nil
	}
	refs, err := l.end()
	l.fields.set(name, value)
	return refs, true, err
}

func (l *refList) end() ([]SessionRef, error) {
	refs, err := l.fields.refs()
	l.fields = refFields{}
	return refs, err
}

// listLine splits "Name      : value".
func listLine(line string) (name, value string, ok bool) {
	head, value, ok := strings.Cut(line, " :")
	name = strings.TrimRight(head, " ")
	if !ok || !isProperty(name) || value != "" && value[0] != ' ' {
		return "", "", false
	}
	return name, strings.TrimSpace(value), true
}

// refFields are the properties of one object.
type refFields struct {
	seen []string
	ref  SessionRef
	bad  string
}

func (f *refFields) has(name string) bool { return contains(f.seen, name) }

func (f *refFields) set(name, value string) {
	f.seen = append(f.seen, name)
	switch strings.ToLower(name) {
	case "id":
		id, ok := parseID(value)
		if f.ref.ID = id; !ok && value != "" && value != "0" {
			f.bad = value
		}
	case "instanceid":
		f.ref.InstanceID = value
	case "name":
		f.ref.Name = value
	case "computername":
		f.ref.ComputerName = value
	}
}

// refs returns the object, which must have an identity.
func (f *refFields) refs() ([]SessionRef, error) {
	if f.seen == nil {
		return nil, nil
	}
	if f.bad != "" {
		return nil, conversion("%q is no Id", clip(f.bad))
	}
	return checkRef(f.ref)
}

func isProperty(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) }) < 0
}

func isIdentity(name string) bool { return contains([]string{"Id", "InstanceId", "Name"}, name) }
