package verbs

import (
	"context"
	"strconv"

	"pss/format"
)

func init() { register("Select-Object", []string{"select"}, newSelectObject) }

func newSelectObject() *command {
	count := func(name, help string) param { return value(name, help).takes(wholeNumber(0, maxInt32)) }
	return &command{
		name: "Select-Object", aliases: []string{"select"},
		synopsis: "Chooses among piped objects and their properties.",
		notes: "It reads sessions, jobs and session configurations as this program prints them, as Format-Table does, and asks for the objects themselves anew. " +
			"More than four properties are shown as a list, as in PowerShell. Without properties it prints the objects' own table, which the next cmdlet reads.",
		params: []param{
			value("ExpandProperty", "print the bare value of this property, each element of a list on a line of its own").takes(notEmpty("PROPERTY")),
			count("First", "only the first N"), count("Last", "only the last N"), count("Skip", "leave out the first N, or before --last the last N"),
			flag("Unique", "").refused("sort -u does it"), list("ExcludeProperty", "").refused("--property chooses what is shown"), list("Index", "").refused("--skip and --first choose"),
		},
		positional: [][]string{{"Property"}},
		examples: []example{
			{command: "pss get-pssessionconfiguration bash | pss select-object --expand-property OutputBufferingMode", says: "a bare value", output: "Block"},
			{command: "pss get-pssession --computer-name server01 | pss select-object --first 1 | pss receive-pssession", says: "one of several"},
		},
		run: runSelectObject,
	}
}

func runSelectObject(ctx context.Context, rt *Runtime, in *input) error {
	f := &failures{rt: rt, cmd: in.cmd}
	p, err := readObjects(ctx, rt, in, f)
	if err != nil {
		return err
	}
	n := p.count(f)
	p.choose(in)
	switch name := in.String("expand-property"); {
	case name != "":
		if len(rt.mode.Properties) > 0 {
			return usage("AmbiguousParameterSet", "--expand-property and --property cannot stand together").Hint("give one of them")
		}
		rt.mode.Mode, rt.mode.Properties = format.ModeValue, []string{name}
	case len(rt.mode.Properties) > 4 && !in.given("output") && rt.mode.Mode == format.ModeTable:
		rt.mode.Mode = format.ModeList
	}
	if err := rt.write(p.slice.Interface()); err != nil {
		return err
	}
	return f.result(n)
}

// choose leaves the objects that -Skip, -First and -Last mean.
func (p *pipedObjects) choose(in *input) {
	from, until := 0, p.slice.Len()
	number := func(flag string) int {
		n, _ := strconv.Atoi(in.String(flag)) // it was checked
		return n
	}
	switch {
	case in.given("last"):
		until = max(0, until-number("skip"))
		from = max(0, until-number("last"))
	default:
		from = min(until, number("skip"))
		if in.given("first") {
			until = min(until, from+number("first"))
		}
	}
	p.slice = p.slice.Slice(from, until)
}
