package format

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// text returns a value as people read it, clean and on one line.
func text(v reflect.Value) string {
	return Sanitize(plain(v))
}

// plain returns a value as PowerShell shows it: nothing for nil, True and False,
// local times, time spans as hh:mm:ss.
func plain(v reflect.Value) string {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return ""
	}
	switch v.Kind() { // the frequent kinds first, without boxing
	case reflect.String:
		if v.Type().NumMethod() == 0 {
			return v.String()
		}
	case reflect.Bool:
		if v.Bool() {
			return "True"
		}
		return "False"
	}
	if s, ok := described(v.Interface()); ok {
		return s
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	case reflect.Slice, reflect.Array:
		return elements(v)
	}
	return asJSON(v)
}

// described handles the types that know their own text.
func described(value any) (string, bool) {
	switch value := value.(type) {
	case time.Time:
		if value.IsZero() {
			return "", true
		}
		return value.Local().Format(time.DateTime), true
	case time.Duration:
		return TimeSpan(value), true
	case []byte:
		return string(value), true
	case fmt.Stringer:
		return value.String(), true
	case error:
		return value.Error(), true
	case encoding.TextMarshaler:
		if b, err := value.MarshalText(); err == nil {
			return string(b), true
		}
	}
	return "", false
}

// elements prints a list as PowerShell does: {a, b}.
func elements(v reflect.Value) string {
	if v.Len() == 0 {
		return ""
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = plain(v.Index(i))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// asJSON is for values that have no shape of their own in a table.
func asJSON(v reflect.Value) string {
	if v.Kind() == reflect.Map && v.Len() == 0 {
		return ""
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return ""
	}
	return string(b)
}

// TimeSpan returns a duration as PowerShell shows it: [-][d.]hh:mm:ss[.fffffff].
func TimeSpan(d time.Duration) string {
	sign := ""
	ticks := uint64(d) / 100
	if d < 0 {
		sign, ticks = "-", (-uint64(d))/100
	}
	const second = 10_000_000
	days, rest := ticks/(24*3600*second), ticks%(24*3600*second)
	var b strings.Builder
	b.WriteString(sign)
	if days > 0 {
		fmt.Fprintf(&b, "%d.", days)
	}
	fmt.Fprintf(&b, "%02d:%02d:%02d", rest/(3600*second), rest/(60*second)%60, rest/second%60)
	if fraction := rest % second; fraction > 0 {
		fmt.Fprintf(&b, ".%07d", fraction)
	}
	return b.String()
}
