package verbs

import (
	"slices"
	"strings"
)

// param is a parameter of a cmdlet: how it is read, what its values may be, and
// what help says of it.
type param struct {
	Parameter
	help    string
	def     string    // the default, as help prints it
	sets    []string  // the parameter sets that it belongs to; nil: all
	kind    valueKind // what its values must be
	refusal string    // why pss has no such parameter, and what there is instead
	unused  string    // why it is accepted and changes nothing
}

// flag declares a switch.
func flag(name, help string) param {
	return param{Parameter: Parameter{Name: name, Kind: KindSwitch}, help: help}
}

// value declares a parameter with one value.
func value(name, help string) param {
	return param{Parameter: Parameter{Name: name, Kind: KindValue}, help: help}
}

// list declares a parameter whose values are separated by commas.
func list(name, help string) param {
	return param{Parameter: Parameter{Name: name, Kind: KindList}, help: help}
}

// alias adds other names.
func (p param) alias(names ...string) param {
	p.Aliases = join(p.Aliases, names)
	return p
}

// in puts the parameter into parameter sets.
func (p param) in(sets ...string) param {
	p.sets = join(p.sets, sets)
	return p
}

// join appends to a list that others may share.
func join(list, more []string) []string {
	if list == nil {
		return more
	}
	return append(slices.Clone(list), more...)
}

// takes says what its values must be.
func (p param) takes(kind valueKind) param {
	p.kind = kind
	return p
}

// byDefault says what it is when it is not given.
func (p param) byDefault(text string) param {
	p.def = text
	return p
}

// refused declares a parameter of PowerShell's that has no meaning here: given, it
// is an error that says why.
func (p param) refused(why string) param {
	p.refusal = why
	return p
}

// ignored declares a parameter of PowerShell's that is accepted without effect,
// because that harms nobody.
func (p param) ignored(why string) param {
	p.unused = why
	return p
}

// common declares a parameter of every cmdlet.
func (p param) common() param {
	p.Common = true
	return p
}

// block makes its value a script.
func (p param) block() param {
	p.Block = true
	return p
}

// inSet reports whether the parameter belongs to the set.
func (p *param) inSet(name string) bool { return p.sets == nil || slices.Contains(p.sets, name) }

// placeholder is what stands for the value in help.
func (p *param) placeholder() string {
	word := p.kind.shows
	if p.kind.one != nil {
		word = "{" + strings.Join(p.kind.one, " | ") + "}"
	}
	switch {
	case p.Kind == KindSwitch:
		return ""
	case p.Block:
		word = "SCRIPT"
	case word == "" && p.Kind == KindList:
		return "A,B"
	case word == "":
		word = "VALUE"
	}
	if p.Kind == KindList {
		word += ",…"
	}
	return word
}

// commonParams are those of every cmdlet.
func commonParams() []param {
	return append([]param{
		value("Output", "table, wide, list, json, ndjson, csv, id, instance-id, name or value").alias("o").byDefault("$PSS_OUTPUT, else table").common(),
		list("Property", "the properties to show, in this order").byDefault("those of the view").common(),
		flag("Quiet", "no notes on standard error: errors and warnings only").alias("q").common(),
		flag("Verbose", "say what is asked of whom, with request ids").alias("vb").common(),
		flag("NoInput", "never ask anything, as without a terminal").byDefault("$PSS_NO_INPUT").common(),
		value("ErrorAction", "Continue, Stop after the first error, or SilentlyContinue and Ignore: print none; the exit code is the same").
			alias("ea").takes(oneOfThese("Continue", "Stop", "SilentlyContinue", "Ignore")).byDefault("Continue").common(),
		value("WarningAction", "SilentlyContinue and Ignore: print no warnings").alias("wa").takes(oneOfThese("Continue", "SilentlyContinue", "Ignore")).byDefault("Continue").common(),
		value("ProgressAction", "SilentlyContinue and Ignore: show no progress").alias("proga").takes(oneOfThese("Continue", "SilentlyContinue", "Ignore")).byDefault("Continue").common(),
	}, shellParams()...)
}

// shellParams are PowerShell's common parameters for which a shell has its own means.
func shellParams() []param {
	return []param{
		flag("Debug", "").alias("db").common().refused("--verbose says what is asked of whom"),
		value("ErrorVariable", "").alias("ev").common().refused("redirect standard error: 2>FILE"),
		value("InformationAction", "").alias("infa").common().ignored("pss itself writes no information records"),
		value("InformationVariable", "").alias("iv").common().refused("redirect standard error: 2>FILE"),
		value("OutVariable", "").alias("ov").common().refused("take the output: x=$(pss …)"),
		value("OutBuffer", "").alias("ob").common().ignored("objects are passed on as they come"),
		value("PipelineVariable", "").alias("pv").common().refused("take the output: x=$(pss …)"),
		value("WarningVariable", "").alias("wv").common().refused("redirect standard error: 2>FILE"),
	}
}

// shouldParams are those of a cmdlet that asks before it acts.
func shouldParams() []param {
	return []param{
		flag("WhatIf", "say what would be done, and do nothing").alias("wi").common(),
		flag("Confirm", "ask before each one").alias("cf").common(),
	}
}
