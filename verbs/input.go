package verbs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"pss/remote/api"
)

// SessionRef names one session. The identity is the ID, which stays valid in
// the client session that printed it, or else the InstanceID, or else the Name, which
// several sessions may share. Name and ComputerName are otherwise what the input said
// besides.
type SessionRef struct {
	ID           int    `json:"Id"`         // 0 if the input had none
	InstanceID   string `json:"InstanceId"` // lower case, empty if the input had none
	Name         string
	ComputerName string
	Line         int `json:"-"` // of the input, from 1
}

// maxRefInput is far above any listing: what is larger was piped by mistake.
const maxRefInput = 16 << 20

// refKind says what a text names: how its errors call that, and what is taken for it
// by mistake.
type refKind struct {
	one, many string
	own       string // a property that only these objects have
	foreign   string // one of other objects
	verb      string // that lists them
}

var (
	sessionRefs = &refKind{one: "session", many: "sessions", own: "Availability", foreign: "PSJobTypeName", verb: "pss get-pssession"}
	jobRefs     = &refKind{one: "job", many: "jobs", own: "PSJobTypeName", foreign: "Availability", verb: "pss get-job"}
)

// ParseSessionRefs reads r to its end and returns the sessions that
// ParseSessionRefText finds there. Besides, a line may be a session's name.
func ParseSessionRefs(r io.Reader) ([]SessionRef, error) { return sessionRefs.read(r) }

// read reads r to its end and returns what parse finds there, names too.
func (k *refKind) read(r io.Reader) ([]SessionRef, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxRefInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", k.many, err)
	}
	if len(text) > maxRefInput {
		return nil, api.Errorf(api.CodeTooLarge, "the input is larger than %d MiB: these are no %s", maxRefInput>>20, k.many).
			WithID("InputObjectNotBound")
	}
	return k.parse(string(text), true)
}

// ParseSessionRefText reads session ids, GUIDs, JSON objects and arrays of
// sessions, and tables, lists and CSV as this program prints them, one after the other
// in any mixture; blank lines separate nothing. A line that is none of these is an
// error with its number; no text is no session and no error.
func ParseSessionRefText(s string) ([]SessionRef, error) { return sessionRefs.parse(s, false) }

func parseRefs(s string, names bool) ([]SessionRef, error) { return sessionRefs.parse(s, names) }

// parse is ParseSessionRefText; with names a line may be a name.
func (k *refKind) parse(s string, names bool) ([]SessionRef, error) {
	p := refParser{kind: k, rest: strings.TrimPrefix(s, "\ufeff"), names: names}
	for p.rest != "" {
		if err := p.step(); err != nil {
			return nil, err
		}
	}
	if err := p.endShape(); err != nil {
		return nil, err
	}
	return p.refs, nil
}

// refParser is one run of refKind.parse.
type refParser struct {
	kind  *refKind
	rest  string
	names bool      // a line may be a name
	line  int       // number of the line that was taken last
	table *refTable // the table whose rows are expected, if any
	shape refShape  // the list or CSV that goes on, if any
	refs  []SessionRef
}

// add takes over what the line that was taken last names.
func (p *refParser) add(refs ...SessionRef) {
	for _, ref := range refs {
		ref.Line = p.line
		p.refs = append(p.refs, ref)
	}
}

// endShape ends the list or CSV.
func (p *refParser) endShape() error {
	if p.shape == nil {
		return nil
	}
	refs, err := p.shape.end()
	p.shape = nil
	if err != nil {
		return p.bad("%s", err)
	}
	p.add(refs...)
	return nil
}

// step reads one line, or the lines of one JSON value.
func (p *refParser) step() error {
	start := strings.TrimLeft(p.rest, " \t")
	if strings.HasPrefix(start, "[") || strings.HasPrefix(start, "{") && !isBracedGUID(start) {
		if err := p.endShape(); err != nil {
			return err
		}
		return p.json(start)
	}
	line := p.take()
	word := strings.TrimSpace(line)
	if word == "" {
		return p.endShape()
	}
	if p.shape != nil {
		refs, taken, err := p.shape.line(line)
		if err != nil {
			return p.bad("%s in %q", err, clip(word))
		}
		if p.add(refs...); taken {
			return nil
		}
		if err := p.endShape(); err != nil {
			return err
		}
	}
	if ref, ok := parseRefWord(word); ok {
		p.add(ref)
		return nil
	}
	return p.text(line, word)
}

// text reads a line of some printed output, or a name.
func (p *refParser) text(line, word string) error {
	switch {
	case isTableHeader(line) && slices.Contains(strings.Fields(line), p.kind.foreign):
		return p.bad("this is no table of %s", p.kind.many)
	case isTableHeader(line):
		return p.header(line)
	case newRefCSV(line) != nil:
		p.shape = newRefCSV(line)
		return nil
	case newRefList(line) != nil:
		p.shape = newRefList(line)
		_, _, err := p.shape.line(line)
		return err
	}
	isName := p.names && !strings.ContainsFunc(word, unicode.IsControl) && strings.Trim(word, "-0123456789 ") != "" && len(word) <= maxRefName
	if p.table != nil && !(isName && !strings.ContainsAny(word, " \t")) {
		ref, err := p.table.row(line)
		if err != nil {
			return p.bad("%s in %q", err, clip(word))
		}
		p.add(ref)
		return nil
	}
	if !isName {
		return p.bad("%q names no %s", clip(word), p.kind.one)
	}
	p.add(SessionRef{Name: word})
	return nil
}

// maxRefName is longer than any session's name.
const maxRefName = 256

// take removes the next line from the rest.
func (p *refParser) take() string {
	line, rest, _ := strings.Cut(p.rest, "\n")
	p.rest = rest
	p.line++
	return strings.TrimRight(line, " \t\r")
}

// header reads the second line of a table, too.
func (p *refParser) header(line string) error {
	table, err := newRefTable(line, p.take())
	if err != nil {
		return p.bad("%s", err)
	}
	p.table = table
	return nil
}

// json reads one JSON value, which may span lines and share one with others.
func (p *refParser) json(start string) error {
	d := json.NewDecoder(strings.NewReader(start))
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		p.line++
		return p.bad("the JSON that begins here cannot be read: %s", err)
	}
	first := p.line + 1
	refs, err := p.kind.ofJSON(raw)
	if err != nil {
		p.line = first
		return p.bad("%s", err)
	}
	before := p.line
	p.line = first
	p.add(refs...)
	p.line = before
	end := int(d.InputOffset())
	p.line += strings.Count(start[:end], "\n")
	p.rest = strings.TrimLeft(start[end:], " \t\r")
	if newline, found := strings.CutPrefix(p.rest, "\n"); found || p.rest == "" {
		p.rest = newline
		p.line++
	}
	return nil
}

// bad is the error for the line that was taken last.
func (p *refParser) bad(format string, args ...any) error {
	return api.Errorf(api.CodeUsage, "line %d of the %s: %s", p.line, p.kind.many, fmt.Sprintf(format, args...)).
		WithID("InputObjectNotBound").
		Hint("give ids, GUIDs, names, or the output of %s in whatever format", p.kind.verb)
}

// ofJSON accepts objects, ids and GUIDs, and arrays of them.
func (k *refKind) ofJSON(raw json.RawMessage) ([]SessionRef, error) {
	raw = bytes.TrimSpace(raw)
	switch raw[0] {
	case '[':
		var elements []json.RawMessage
		if err := json.Unmarshal(raw, &elements); err != nil {
			return nil, err
		}
		var refs []SessionRef
		for i, element := range elements {
			if element = bytes.TrimSpace(element); element[0] == '[' {
				return nil, fmt.Errorf("element %d of the array is an array", i+1)
			}
			got, err := k.ofJSON(element)
			if err != nil {
				return nil, fmt.Errorf("element %d of the array: %w", i+1, err)
			}
			refs = append(refs, got...)
		}
		return refs, nil
	case '{':
		var ref SessionRef
		if err := json.Unmarshal(raw, &ref); err != nil {
			return nil, fmt.Errorf("the object is no %s: %w", k.one, err)
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) == nil && members[k.foreign] != nil {
			return nil, fmt.Errorf("the object is no %s", k.one)
		}
		return checkRef(ref)
	}
	if ref, ok := parseRefWord(strings.Trim(string(raw), `"`)); ok {
		return []SessionRef{ref}, nil
	}
	return nil, fmt.Errorf("%s names no %s", clip(string(raw)), k.one)
}

// checkRef accepts an object that has an identity.
func checkRef(ref SessionRef) ([]SessionRef, error) {
	if ref.InstanceID != "" {
		guid, ok := parseGUID(ref.InstanceID)
		if !ok {
			return nil, fmt.Errorf("the InstanceId %q is no GUID", clip(ref.InstanceID))
		}
		ref.InstanceID = guid
	}
	if ref.ID < 0 || ref.ID == 0 && ref.InstanceID == "" && ref.Name == "" {
		return nil, fmt.Errorf("the object has neither Id nor InstanceId nor Name")
	}
	return []SessionRef{ref}, nil
}

// parseRefWord accepts an id or a GUID.
func parseRefWord(word string) (SessionRef, bool) {
	if id, ok := parseID(word); ok {
		return SessionRef{ID: id}, true
	}
	if guid, ok := parseGUID(word); ok {
		return SessionRef{InstanceID: guid}, true
	}
	return SessionRef{}, false
}

// parseID accepts digits only: no sign, no blanks, not 0.
func parseID(word string) (int, bool) {
	if word == "" || strings.Trim(word, "0123456789") != "" {
		return 0, false
	}
	id, err := strconv.Atoi(word)
	return id, err == nil && id > 0
}

// parseGUID accepts a GUID in any case, braces around it or not, and returns it
// in lower case.
func parseGUID(word string) (string, bool) {
	if isBracedGUID(word) {
		word = strings.Trim(word, "{}")
	}
	if len(word) != 36 {
		return "", false
	}
	for i := range len(word) {
		if hyphen := i == 8 || i == 13 || i == 18 || i == 23; hyphen != (word[i] == '-') ||
			!hyphen && !strings.ContainsRune("0123456789abcdefABCDEF", rune(word[i])) {
			return "", false
		}
	}
	return strings.ToLower(word), true
}

// isBracedGUID tells {GUID} from the beginning of a JSON object.
func isBracedGUID(s string) bool {
	if len(s) < 38 || s[0] != '{' || s[37] != '}' || s[1] == '{' {
		return false
	}
	_, ok := parseGUID(s[1:37])
	return ok
}

// clip keeps an error on one line.
func clip(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
