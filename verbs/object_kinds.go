package verbs

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"pss/remote/api"
)

// objectKind is a sort of objects that the filters find again behind a pipe: what was
// printed names them, and the objects themselves are asked for anew.
type objectKind struct {
	// owns reports whether a text is about such objects, by the labels that it begins
	// with: the header of a table or of CSV, a list's, or the members of JSON.
	owns func(labels []string) bool
	// fetch returns a slice of the objects that the text names, in its order. What is
	// not there goes to f.
	fetch func(ctx context.Context, rt *Runtime, f *failures, text string) (any, error)
	// columns are those of Format-Table without any chosen, for objects whose own view
	// is a list.
	columns []string
}

// objectKinds are the kinds that files of this package add in init; sessions are what
// no other one owns.
var objectKinds []objectKind

func registerKind(k objectKind) { objectKinds = append(objectKinds, k) }

// sessionKind finds sessions.
var sessionKind = objectKind{fetch: fetchSessions}

// pipedObjects are what a filter reads.
type pipedObjects struct {
	kind  objectKind
	slice reflect.Value
}

// readObjects reads standard input and fetches the objects that it names. Nothing
// there is no object and no error.
func readObjects(ctx context.Context, rt *Runtime, in *input, f *failures) (*pipedObjects, error) {
	if rt.stdinTerminal() {
		return nil, usage("MissingMandatoryParameter", "%s reads objects from standard input", in.cmd.name).
			Hint("pipe some in: pss get-pssession | pss %s", strings.ToLower(in.cmd.name))
	}
	data, err := io.ReadAll(io.LimitReader(rt.Stdin, maxRefInput+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxRefInput {
		return nil, api.Errorf(api.CodeTooLarge, "the input is larger than %d MiB: this is no listing", maxRefInput>>20).WithID("InputObjectNotBound")
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	p := &pipedObjects{kind: kindOf(text)}
	objects, err := p.kind.fetch(ctx, rt, f, text)
	if err != nil {
		return nil, err
	}
	p.slice = reflect.ValueOf(objects)
	return p, nil
}

// count is how many objects were named.
func (p *pipedObjects) count(f *failures) int { return p.slice.Len() + f.count }

// kindOf tells what sort of objects a text names.
func kindOf(text string) objectKind {
	labels := labelsOf(text)
	for _, k := range objectKinds {
		if len(labels) > 0 && k.owns(labels) {
			return k
		}
	}
	return sessionKind
}

// labelsOf returns what the objects at the beginning of a text are labelled with.
func labelsOf(text string) []string {
	text = strings.TrimLeft(text, " \t\r\n")
	if text == "" {
		return nil
	}
	if text[0] == '{' || text[0] == '[' {
		return membersOf(text)
	}
	first, rest, _ := strings.Cut(text, "\n")
	second, _, _ := strings.Cut(rest, "\n")
	first, second = strings.TrimRight(first, " \r"), strings.TrimRight(second, " \r")
	if _, _, ok := listLine(first); ok {
		var labels []string
		for line := range strings.Lines(text) {
			name, _, ok := listLine(strings.TrimRight(line, "\r\n"))
			if !ok {
				break
			}
			labels = append(labels, name)
		}
		return labels
	}
	if second != "" && strings.Trim(second, "- ") == "" {
		return strings.Fields(first)
	}
	if labels := strings.Split(first, ","); len(labels) > 1 && !slices.ContainsFunc(labels, func(l string) bool { return !isProperty(l) }) {
		return labels
	}
	return nil
}

// membersOf returns the members of the first JSON object.
func membersOf(text string) []string {
	var raw json.RawMessage
	if json.NewDecoder(strings.NewReader(text)).Decode(&raw) != nil {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		raw = list[0]
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimSpace(raw), &members) != nil {
		return nil
	}
	return slices.Collect(maps.Keys(members))
}

func fetchSessions(ctx context.Context, rt *Runtime, f *failures, text string) (any, error) {
	refs, err := parseRefs(text, true)
	if err != nil {
		return nil, err
	}
	agent, err := rt.Agent()
	if err != nil {
		return nil, err
	}
	var found []*api.Session
	for _, ref := range refs {
		sessions, err := lookUp(ctx, agent, ref)
		f.add(err)
		found = append(found, sessions...)
	}
	return newPSSessions(found), nil
}
