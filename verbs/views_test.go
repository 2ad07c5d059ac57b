package verbs

import (
	"bytes"
	goflag "flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pss/format"
)

var updateViews = goflag.Bool("update", false, "write the golden views anew")

// filled sets every field of an object to something that shows where it is printed.
func filled(v reflect.Value, name string, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), name, depth)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 22, 17, 4, 5, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				filled(v.Field(i), f.Name, depth+1)
			}
		}
	case reflect.String:
		v.SetString("a " + name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		if depth > 1 { // a job's children have no children
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		filled(v.Index(0), name, depth)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	default:
		switch {
		case v.CanInt():
			v.SetInt(7)
		case v.CanUint():
			v.SetUint(7)
		}
	}
}

// TestViews compares what each cmdlet prints, in every format, with its golden file: an
// object that has everything, and one that has nothing. The cmdlets themselves say what
// they print.
func TestViews(t *testing.T) {
	zone := time.Local
	time.Local = time.UTC // tables show local times
	defer func() { time.Local = zone }()
	dir := filepath.Join("..", "testdata", "golden", "view")
	known := map[string]bool{}
	for _, c := range sortedCommands() {
		if c.prints == nil {
			continue
		}
		typ := reflect.TypeOf(c.prints)
		objects := reflect.MakeSlice(reflect.SliceOf(typ), 2, 2)
		filled(objects.Index(0), "", 0)
		var b bytes.Buffer
		for _, mode := range []format.Mode{format.ModeTable, format.ModeWide, format.ModeList, format.ModeCSV, format.ModeJSON, format.ModeNDJSON} {
			b.WriteString("== " + string(mode) + "\n")
			require.NoError(t, format.Write(&b, format.Options{Mode: mode}, objects.Interface()))
		}
		file := strings.ReplaceAll(strings.ToLower(c.name), " ", "-") + ".txt"
		known[file] = true
		if *updateViews {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), b.Bytes(), 0o644))
			continue
		}
		want, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err, "go test ./verbs -run TestViews -update writes it")
		assert.Equal(t, string(want), b.String(), c.name)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		assert.True(t, known[f.Name()], "%s belongs to no command", f.Name())
	}
}
