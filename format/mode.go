package format

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Mode is the shape of the output.
type Mode string

// The modes. The zero Mode is ModeTable.
const (
	ModeTable      Mode = "table"       // the default columns
	ModeWide       Mode = "wide"        // the default columns and more
	ModeList       Mode = "list"        // one property a line
	ModeJSON       Mode = "json"        // one array, indented
	ModeNDJSON     Mode = "ndjson"      // one object a line
	ModeCSV        Mode = "csv"         // a header and one line per object
	ModeID         Mode = "id"          // the bare Id
	ModeInstanceID Mode = "instance-id" // the bare InstanceId
	ModeName       Mode = "name"        // the bare Name
	ModeValue      Mode = "value"       // the bare value of one property
)

// Modes returns all modes, in the order in which help lists them.
func Modes() []Mode {
	return []Mode{
		ModeTable, ModeWide, ModeList, ModeJSON, ModeNDJSON, ModeCSV,
		ModeID, ModeInstanceID, ModeName, ModeValue,
	}
}

// ParseMode returns the mode that s names: in any case, with or without its
// hyphen, whole or as a prefix that only one mode has. Its error is a
// *UsageError that lists the modes.
func ParseMode(s string) (Mode, error) {
	key := foldMode(s)
	var found []Mode
	for _, m := range Modes() {
		name := foldMode(string(m))
		if name == key {
			return m, nil
		}
		if key != "" && strings.HasPrefix(name, key) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", &UsageError{
			Message: fmt.Sprintf("there is no output format %q", s),
			Hint:    "use one of " + joinModes(Modes()),
		}
	}
	return "", &UsageError{
		Message: fmt.Sprintf("the output format %q is ambiguous", s),
		Hint:    "it can mean " + joinModes(found),
	}
}

func foldMode(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "")
}

func joinModes(modes []Mode) string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = string(m)
	}
	return strings.Join(names, ", ")
}

// Options says how Write prints. The zero value prints the default table as
// wide as it needs to be.
type Options struct {
	Mode       Mode
	Properties []string // shown instead of the view's own, in this order
	Width      int      // of the terminal; tables are cut to it. 0 is no limit
	NoHeader   bool     // tables without header and underline, CSV without header
	Colour     bool     // headers and the names of properties stand out; for terminals
}

// UsageError is a request that cannot be met: an unknown mode or property.
type UsageError struct {
	Message string
	Hint    string // what to do next
}

// Error returns message and hint.
func (e *UsageError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + ": " + e.Hint
}

// Write prints objects, a slice of structs or of pointers to structs (nil ones
// are left out) or a single struct, to w. Zero objects print nothing, except an
// empty array as JSON and the header as CSV. It returns a *UsageError for a
// mode or property that does not exist, before anything is written.
func Write(w io.Writer, o Options, objects any) error {
	rows, typ, err := collect(objects)
	if err != nil {
		return err
	}
	v := view{options: o, rows: rows, fields: fieldsOf(typ)}
	print, err := v.printer()
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	if err := print(b); err != nil {
		return err
	}
	return b.Flush()
}

// view is one call of Write.
type view struct {
	options Options
	rows    []reflect.Value // structs
	fields  []field         // of the type, all of them
	shown   []field         // what this mode prints
}

// printer chooses columns and the function that prints them.
func (v *view) printer() (func(*bufio.Writer) error, error) {
	var err error
	switch mode := v.options.Mode; mode {
	case "", ModeTable, ModeWide:
		if v.shown, err = v.columns(mode == ModeWide); err != nil {
			return nil, err
		}
		if len(v.shown) == 0 {
			if v.shown = v.brief(); mode == ModeWide {
				v.shown = v.objectFields()
			}
			return v.list, nil
		}
		return v.table, nil
	case ModeList, ModeCSV, ModeJSON, ModeNDJSON:
		if v.shown, err = v.selected(); err != nil {
			return nil, err
		}
		switch mode {
		case ModeCSV:
			return v.csv, nil
		case ModeJSON:
			return v.json, nil
		case ModeNDJSON:
			return v.ndjson, nil
		}
		return v.list, nil
	case ModeID:
		return v.values, v.only("Id")
	case ModeInstanceID:
		return v.values, v.only("InstanceId")
	case ModeName:
		return v.values, v.only("Name")
	case ModeValue:
		return v.values, v.only(v.options.Properties...)
	default:
		_, err := ParseMode(string(mode))
		if err == nil { // a prefix: callers are to parse what people type
			err = &UsageError{Message: fmt.Sprintf("%q is not the name of an output format", mode)}
		}
		return nil, err
	}
}
