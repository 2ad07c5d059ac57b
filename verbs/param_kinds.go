package verbs

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"pss/remote/api"
)

// valueKind says what the values of a parameter must be. The zero kind takes
// every text.
type valueKind struct {
	shows string // stands for the value in help: "INT"
	// says is the range, for help and for errors. It is put into words when it is
	// wanted: every start of a cmdlet declares its parameters.
	says func() string
	// check returns the value in its canonical spelling, or a usage error without
	// the parameter's name.
	check func(text string) (string, *api.Error)
	one   []string // all values, where they can be listed
}

// maxInt32 is the largest number that PowerShell's [int] holds.
const maxInt32 = math.MaxInt32

func conversion(format string, args ...any) *api.Error {
	return usage("CannotConvertArgument", format, args...)
}

func outOfRange(format string, args ...any) *api.Error {
	return usage("ParameterArgumentValidationError", format, args...)
}

// oneOfThese takes one of the values in any case, whole or as a unique prefix.
func oneOfThese(values ...string) valueKind {
	return valueKind{
		one: values,
		check: func(text string) (string, *api.Error) {
			found, err := oneOf("", text, values)
			if err != nil || found == "" {
				return "", conversion("cannot be %q", text).Hint("use one of %s", strings.Join(values, ", "))
			}
			return found, nil
		},
	}
}

// wholeNumber takes an integer from min to max.
func wholeNumber(min, max int64) valueKind {
	says := func() string { return fmt.Sprintf("%d to %d", min, max) }
	return valueKind{shows: "INT", says: says, check: func(text string) (string, *api.Error) {
		n, err := parseInt(text)
		switch {
		case err != nil:
			return "", conversion("cannot be %q: it takes a whole number", text)
		case n < min || n > max:
			return "", outOfRange("cannot be %s: it takes %s", text, says())
		}
		return strconv.FormatInt(n, 10), nil
	}}
}

// parseInt reads a number as PowerShell writes them: 0x10, 4KB, 1GB.
func parseInt(text string) (int64, error) {
	factor := int64(1)
	if len(text) > 2 && !strings.HasPrefix(strings.ToLower(text), "0x") {
		for suffix, f := range map[string]int64{"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40} {
			if head := text[:len(text)-2]; strings.EqualFold(text[len(head):], suffix) {
				text, factor = head, f
				break
			}
		}
	}
	base := 10
	if rest, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		text, base = rest, 16
	}
	n, err := strconv.ParseInt(text, base, 64)
	if err == nil && factor > 1 && (n > math.MaxInt64/factor || n < math.MinInt64/factor) {
		return 0, strconv.ErrRange
	}
	return n * factor, err
}

// duration takes a number of unit, or a value with a unit of its own, from min to
// max; "never" too if never is set. The value stays as it was typed.
func duration(shows string, unit, min, max time.Duration, never bool) valueKind {
	says := func() string {
		text := fmt.Sprintf("%d to %d, or a value with a unit such as 90s, 48h, 7d", min/unit, max/unit)
		if never {
			text += ", or never"
		}
		return text
	}
	return valueKind{shows: shows, says: says, check: func(text string) (string, *api.Error) {
		if never && strings.EqualFold(text, "never") {
			return "never", nil
		}
		d, err := api.ParseDuration(text, unit)
		switch {
		case err != nil:
			return "", conversion("cannot be %q: it takes %s", text, says())
		case d < min || d > max:
			return "", outOfRange("cannot be %s: it takes %s", text, says())
		}
		return text, nil
	}}
}

// seconds takes seconds from min to max.
func seconds(min, max int64) valueKind {
	return duration("SECONDS", time.Second, time.Duration(min)*time.Second, time.Duration(max)*time.Second, false)
}

// milliseconds takes milliseconds from min to max.
func milliseconds(min, max int64) valueKind {
	return duration("MILLISECONDS", time.Millisecond, time.Duration(min)*time.Millisecond, time.Duration(max)*time.Millisecond, false)
}

// idNumber takes an Id.
func idNumber() valueKind {
	return valueKind{shows: "ID", check: func(text string) (string, *api.Error) {
		id, ok := parseID(text)
		if !ok {
			return "", conversion("cannot be %q: an Id is a positive number", text).Hint("the listing shows the Ids")
		}
		return strconv.Itoa(id), nil
	}}
}

// guid takes an InstanceId.
func guid() valueKind {
	return valueKind{shows: "GUID", check: func(text string) (string, *api.Error) {
		id, ok := parseGUID(text)
		if !ok {
			return "", conversion("cannot be %q: it takes a GUID", text)
		}
		return id, nil
	}}
}

// notEmpty takes every text but the empty one.
func notEmpty(shows string) valueKind {
	return valueKind{shows: shows, check: func(text string) (string, *api.Error) {
		if strings.TrimSpace(text) == "" {
			return "", usage("ParameterArgumentValidationErrorEmptyStringNotAllowed", "cannot be empty")
		}
		return text, nil
	}}
}

// computerName takes a DNS name or an address, @GROUP or @file:PATH.
func computerName() valueKind {
	return valueKind{shows: "COMPUTER", check: func(text string) (string, *api.Error) {
		name := strings.TrimSpace(text)
		switch {
		case name == "":
			return "", usage("ParameterArgumentValidationErrorEmptyStringNotAllowed", "cannot be empty")
		case name == ".":
			return "localhost", nil
		case strings.HasPrefix(name, "@"):
			return name, nil
		case strings.Contains(name, "://"):
			_, err := connectionURI().check(name)
			return "", cmp.Or(err, conversion("cannot be %q: that is a URI", name).Hint("give it with --connection-uri"))
		case !isComputer(name):
			return "", usage("PSSessionInvalidComputerName", "cannot be %q: that is no computer's name", name).
				Hint("give a DNS name or an address; with a port: --connection-uri https://HOST:PORT")
		}
		return name, nil
	}}
}

// computerPattern takes what computerName takes, and wildcards.
func computerPattern() valueKind {
	kind := computerName()
	plain := kind.check
	kind.check = func(text string) (string, *api.Error) {
		if HasWildcard(text) && !strings.HasPrefix(text, "@") {
			return text, nil
		}
		return plain(text)
	}
	return kind
}

// isComputer tells names and addresses from what the local shell or a typing
// mistake has left. A colon is an IPv6 address's.
func isComputer(name string) bool {
	if strings.ContainsAny(name, " \t\n*?/\\\"'<>|;&$(){},=@#") {
		return false
	}
	return !strings.Contains(name, ":") || strings.Count(name, ":") > 1
}

// sessionText takes what names a session: an Id, a GUID, JSON, a table's text, or -.
func sessionText() valueKind {
	return valueKind{shows: "SESSION", check: func(text string) (string, *api.Error) {
		if text == "-" {
			return text, nil
		}
		refs, err := ParseSessionRefText(text)
		switch {
		case err != nil && strings.Contains(text, "\n"):
			return "", toError(err)
		case err != nil:
			return "", conversion("cannot be %q: it takes an Id, a GUID, JSON or the table's text", clip(text)).Hint("a name goes with --name")
		case len(refs) == 0 && text == "":
			return "", usage("ParameterArgumentValidationErrorEmptyStringNotAllowed", "cannot be empty")
		}
		return text, nil
	}}
}
