package format

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// field is one property of a struct type.
type field struct {
	index []int  // for reflect.Value.FieldByIndexErr
	name  string // the property: the JSON key
	label string // of a column
	right bool   // aligned to the right
	table bool   // in the default table
	wide  bool   // in the wide table
	view  bool   // of the wide table alone: a property that no other format knows
	list  bool   // in the list that stands for the default table
}

// collect returns the structs of objects and their type.
func collect(objects any) ([]reflect.Value, reflect.Type, error) {
	all := reflect.Indirect(reflect.ValueOf(objects))
	if !all.IsValid() {
		return nil, nil, fmt.Errorf("format: cannot print %T", objects)
	}
	if all.Kind() == reflect.Struct {
		return []reflect.Value{all}, all.Type(), nil
	}
	if all.Kind() != reflect.Slice && all.Kind() != reflect.Array {
		return nil, nil, fmt.Errorf("format: cannot print %T", objects)
	}
	typ := all.Type().Elem()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return nil, nil, fmt.Errorf("format: cannot print %T", objects)
	}
	rows := make([]reflect.Value, 0, all.Len())
	for i := range all.Len() {
		if row := reflect.Indirect(all.Index(i)); row.IsValid() {
			rows = append(rows, row)
		}
	}
	return rows, typ, nil
}

// fieldsOf returns the properties of a struct type. Embedded structs without a
// JSON key of their own are part of it, as encoding/json has them.
func fieldsOf(typ reflect.Type) []field {
	var fields []field
	var closed [][]int // embedded structs whose fields are not properties of typ
	for _, sf := range reflect.VisibleFields(typ) {
		if slices.ContainsFunc(closed, func(outer []int) bool {
			return len(sf.Index) > len(outer) && slices.Equal(sf.Index[:len(outer)], outer)
		}) {
			continue
		}
		tag := sf.Tag.Get("json")
		key, _, _ := strings.Cut(tag, ",")
		if sf.Anonymous {
			if tag != "-" && key == "" && isStruct(sf.Type) {
				continue // its fields come on their own
			}
			closed = append(closed, sf.Index)
		}
		_, inWide := sf.Tag.Lookup("wide")
		if !sf.IsExported() || tag == "-" && !inWide {
			continue
		}
		f := field{index: sf.Index, name: key, view: tag == "-"}
		if f.name == "" || f.view {
			f.name = sf.Name
		}
		f.label = f.name
		f.tags(sf)
		fields = append(fields, f)
	}
	return fields
}

func isStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct
}

// tags reads the tags for the two tables.
func (f *field) tags(sf reflect.StructField) {
	_, f.list = sf.Tag.Lookup("list")
	tag, inTable := sf.Tag.Lookup("table")
	wide, inWide := sf.Tag.Lookup("wide")
	f.table = inTable && tag != "-"
	f.wide = (f.table || inWide) && wide != "-"
	if !f.table {
		tag = wide
	}
	if !f.table && !f.wide {
		f.right = isNumber(sf.Type) && sf.Tag.Get("align") != "left"
		return
	}
	label, align, _ := strings.Cut(tag, ",")
	if label != "" {
		f.label = label
	}
	f.right = align == "right"
}

// isNumber tells the types that stand on the right where no tag says otherwise.
func isNumber(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t != reflect.TypeFor[time.Duration]() && reflect.Int <= t.Kind() && t.Kind() <= reflect.Float64
}

// columns returns what a table shows: nothing for a type without table tags.
func (v *view) columns(wide bool) ([]field, error) {
	if len(v.options.Properties) > 0 {
		return v.selected()
	}
	var shown []field
	for _, f := range v.fields {
		// In a terminal, what the wide table adds has to say something.
		if wide && f.wide && !(v.options.Width > 0 && !f.table && v.empty(&f)) || !wide && f.table {
			shown = append(shown, f)
		}
	}
	return shown, nil
}

// empty reports whether the property is empty in all rows.
func (v *view) empty(f *field) bool {
	for _, row := range v.rows {
		if text(f.value(row)) != "" {
			return false
		}
	}
	return true
}

// brief returns what the list shows that stands for the default table: the
// properties that have a list tag, or all of them if none has.
func (v *view) brief() []field {
	var shown []field
	for _, f := range v.fields {
		if f.list {
			shown = append(shown, f)
		}
	}
	if shown == nil {
		return v.objectFields()
	}
	return shown
}

// selected returns the chosen properties, or all of them.
func (v *view) selected() ([]field, error) {
	if len(v.options.Properties) == 0 {
		return v.objectFields(), nil
	}
	shown := make([]field, 0, len(v.options.Properties))
	for _, name := range v.options.Properties {
		f, err := v.property(name)
		if err != nil {
			return nil, err
		}
		shown = append(shown, f)
	}
	return shown, nil
}

// objectFields are the properties of the object itself.
func (v *view) objectFields() []field {
	return slices.DeleteFunc(slices.Clone(v.fields), func(f field) bool { return f.view })
}

// only makes one property the whole view.
func (v *view) only(names ...string) error {
	if len(names) != 1 {
		return &UsageError{
			Message: fmt.Sprintf("the output format %q prints exactly one property, not %d", ModeValue, len(names)),
			Hint:    "name it with -Property; there are " + v.known(),
		}
	}
	f, err := v.property(names[0])
	v.shown = []field{f}
	return err
}

// property finds a property by its name or its column label, in any case.
func (v *view) property(name string) (field, error) {
	name = strings.TrimSpace(name)
	for _, f := range v.fields {
		if strings.EqualFold(f.name, name) {
			return f, nil
		}
	}
	for _, f := range v.fields {
		if strings.EqualFold(f.label, name) {
			return f, nil
		}
	}
	return field{}, &UsageError{
		Message: fmt.Sprintf("there is no property %q", name),
		Hint:    "there are " + v.known(),
	}
}

func (v *view) known() string {
	names := make([]string, len(v.fields))
	for i, f := range v.fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// value returns the field of a row; it is invalid behind a nil embedded pointer.
func (f *field) value(row reflect.Value) reflect.Value {
	got, err := row.FieldByIndexErr(f.index)
	if err != nil {
		return reflect.Value{}
	}
	return got
}
