package config

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"pss/remote/api"
)

// Duration is a time.Duration that a TOML file must write with its unit; the
// library alone would take a bare number as nanoseconds.
type Duration time.Duration

var _ encoding.TextUnmarshaler = (*Duration)(nil)

// UnmarshalText reads "30s", "48h", "7d".
func (d *Duration) UnmarshalText(b []byte) error {
	if _, err := strconv.ParseFloat(string(b), 64); err == nil {
		return fmt.Errorf("%s has no unit: write \"%ss\" for seconds", b, b)
	}
	v, err := api.ParseDuration(string(b), time.Second)
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the duration with its unit.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Or returns the duration, or def where the file gives none.
func (d Duration) Or(def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return time.Duration(d)
}

// load reads path into v, a pointer to a struct. A missing file is empty.
func load(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fileError(path, err)
	}
	return decode(path, string(data), v)
}

func decode(path, text string, v any) error {
	md, err := toml.Decode(text, v)
	if err != nil {
		var perr toml.ParseError
		if errors.As(err, &perr) {
			return fileError(path, fmt.Errorf("line %d: %s", perr.Position.Line, perr.Message))
		}
		return fileError(path, err)
	}
	if unknown := md.Undecoded(); len(unknown) > 0 {
		key := unknown[0]
		msg := fmt.Sprintf("unknown key %q", key.String())
		if line := lineOf(text, key); line > 0 {
			msg = fmt.Sprintf("line %d: %s", line, msg)
		}
		if near := nearest(key[len(key)-1], knownKeys(reflect.TypeOf(v))); near != "" {
			msg += fmt.Sprintf("; did you mean %q?", near)
		}
		return fileError(path, errors.New(msg))
	}
	return noTable(path, &md, v)
}

// noTable refuses what stands in the place of a table and is none: the library leaves a map
// empty then and says nothing.
func noTable(path string, md *toml.MetaData, v any) error {
	for _, key := range md.Keys() {
		if t := md.Type(key...); len(key) == 1 && t != "Hash" && slices.ContainsFunc(tables(reflect.TypeOf(v).Elem()), func(name string) bool {
			return strings.EqualFold(name, key[0])
		}) {
			return fileError(path, fmt.Errorf("%s is a table: [%s]", key, key))
		}
	}
	return nil
}

// tables lists the keys of a struct that are maps.
func tables(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			keys = append(keys, tables(f.Type)...)
		case f.Type.Kind() == reflect.Map && name != "-":
			keys = append(keys, cmp.Or(name, f.Name))
		}
	}
	return keys
}

func fileError(path string, err error) error {
	return api.Errorf(api.CodeInvalidArgument, "%s: %v", path, err).WithID("InvalidConfigurationFile").
		Hint("correct the file; 'pss help about_Configuration' lists its keys").On(path)
}

// failing is a leaf whose decoding always fails, at a position that the
// library then reports: it keeps no positions of keys itself.
type failing struct{}

func (*failing) UnmarshalTOML(any) error { return errors.New("here") }

// lineOf returns the line of key in text, or 0. It decodes the text once more
// into a struct made of that one path.
func lineOf(text string, key toml.Key) int {
	t := reflect.TypeOf(failing{})
	for i := len(key) - 1; i >= 0; i-- {
		t = reflect.StructOf([]reflect.StructField{{
			Name: "F", Type: t, Tag: reflect.StructTag(fmt.Sprintf("toml:%q", key[i])),
		}})
	}
	var perr toml.ParseError
	if _, err := toml.Decode(text, reflect.New(t).Interface()); errors.As(err, &perr) {
		return perr.Position.Line
	}
	return 0
}

// knownKeys lists the keys of a struct and of the structs below it.
func knownKeys(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Map || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	var keys []string
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch name {
		case "":
			if f.Anonymous { // its keys stand among the others
				keys = append(keys, knownKeys(f.Type)...)
				continue
			}
			name = f.Name
		case "-":
			continue
		}
		keys = append(append(keys, name), knownKeys(f.Type)...)
	}
	return keys
}

// nearest returns the known word that differs from s in at most three letters.
func nearest(s string, known []string) string {
	best, at := "", 4
	for _, k := range known {
		if d := distance(strings.ToLower(s), strings.ToLower(k)); d < at {
			best, at = k, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev
			if a[i-1] != b[j-1] {
				cost = 1 + min(prev, row[j], row[j-1])
			}
			prev, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}
