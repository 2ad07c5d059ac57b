package format

import "reflect"

// Properties returns the names of the properties of an object's type, in their order:
// what -Property and ModeValue take. Those of the wide table alone are not among them.
func Properties(object any) []string {
	v := view{fields: fieldsOf(reflect.Indirect(reflect.ValueOf(object)).Type())}
	var names []string
	for _, f := range v.objectFields() {
		names = append(names, f.name)
	}
	return names
}
