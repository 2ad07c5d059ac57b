package verbs

import (
	"slices"
	"strings"

	"pss/remote/api"
)

// paramSet is one of the ways in which a cmdlet can be called. Parameters of
// different sets cannot stand together.
type paramSet struct {
	name      string
	mandatory []string // without them the set is not meant
}

// resolve gives the positional words to their parameters, finds the parameter set,
// and checks every value: from here on the command line can be carried out.
func (c *command) resolve(n Normalized) (Normalized, string, error) {
	b := binder{cmd: c, n: n, possible: c.sets}
	if b.possible == nil {
		b.possible = []paramSet{{}}
	}
	b.given = c.given(n.Args)
	for _, p := range b.given {
		if p.refusal != "" {
			return n, "", usage("ParameterNotSupported", "%s has no %s here", c.name, b.spell(p)).Hint("%s", p.refusal)
		}
		if err := b.narrow(p); err != nil {
			return n, "", err
		}
	}
	if err := b.positional(); err != nil {
		return n, "", err
	}
	set, err := b.choose()
	if err != nil {
		return n, "", err
	}
	return b.n, set, b.check()
}

// binder is one run of resolve.
type binder struct {
	cmd      *command
	n        Normalized
	given    []*param   // the bound parameters
	possible []paramSet // that all of them belong to
}

// given returns the parameters that args bind, in the order of their declaration.
func (c *command) given(args []string) []*param {
	if len(args) == 0 {
		return nil // most command lines are short, and start-up is what they cost
	}
	flags := make([]string, 0, 8)
	for _, arg := range args {
		flag, _, _ := strings.Cut(arg, "=")
		if flag = strings.ReplaceAll(flag, "-", ""); !slices.Contains(flags, flag) {
			flags = append(flags, flag)
		}
	}
	var given []*param
	for i := range c.params {
		p := &c.params[i]
		// A flag without its hyphens is the parameter's name.
		if slices.ContainsFunc(flags, func(flag string) bool { return len(flag) == len(p.Name) && strings.EqualFold(flag, p.Name) }) {
			given = append(given, p)
		}
	}
	return given
}

// has reports whether p is bound.
func (b *binder) has(p *param) bool { return slices.Contains(b.given, p) }

// spell is the name of p as errors show it.
func (b *binder) spell(p *param) string { return "--" + p.FlagName() }

// narrow leaves the sets that p belongs to.
func (b *binder) narrow(p *param) error {
	left := setsWith(b.possible, p)
	if len(left) > 0 {
		b.possible = left
		return nil
	}
	var clash []string
	for _, q := range b.given {
		if q != p && q.sets != nil && len(setsWith(setsWith(b.cmd.sets, p), q)) == 0 {
			clash = append(clash, b.spell(q))
		}
	}
	if len(clash) == 0 { // three that only together fit nowhere
		for _, q := range b.given {
			if q != p && q.sets != nil {
				clash = append(clash, b.spell(q))
			}
		}
	}
	return usage("AmbiguousParameterSet", "%s cannot stand with %s", b.spell(p), strings.Join(clash, " and ")).
		Hint("pss help %s shows which parameters belong together", strings.ToLower(b.cmd.name))
}

func setsWith(sets []paramSet, p *param) []paramSet {
	return slices.DeleteFunc(slices.Clone(sets), func(s paramSet) bool { return !p.inSet(s.name) })
}

// param returns the cmdlet's parameter of that name, which the declaration has.
func (c *command) param(name string) *param {
	i := slices.IndexFunc(c.params, func(p param) bool { return p.Name == name })
	if i < 0 {
		panic(c.name + " has no parameter " + name)
	}
	return &c.params[i]
}

// positional gives each bare word to the first parameter of its position that is
// free, possible, and takes a value of that kind. A position of which no parameter
// is possible any more is passed over.
func (b *binder) positional() error {
	words := b.n.Positional
	b.n.Positional = nil
	for _, candidates := range b.cmd.positional {
		if len(words) == 0 {
			return nil
		}
		var refused error
		for _, name := range candidates {
			p := b.cmd.param(name)
			if b.has(p) || len(setsWith(b.possible, p)) == 0 {
				continue
			}
			values, rest, err := takeWords(p, words)
			if err == nil {
				err = p.checkAll(values)
			}
			if err != nil {
				refused = err
				continue
			}
			words, refused = rest, nil
			b.n.Args = slices.Clone(b.n.Args)
			for _, v := range values {
				b.n.Args = append(b.n.Args, "--"+p.FlagName()+"="+v)
			}
			b.given = append(b.given, p)
			if err := b.narrow(p); err != nil {
				return err
			}
			break
		}
		if refused != nil {
			return refused
		}
	}
	if len(words) == 0 {
		return nil
	}
	verb := strings.ToLower(b.cmd.name)
	if len(b.cmd.positional) == 0 {
		return usage("PositionalParameterNotFound", "%s takes no argument %q", b.cmd.name, words[0]).Hint("pss help %s", verb)
	}
	return usage("PositionalParameterNotFound", "no parameter takes the word %q", words[0]).Hint("name its parameter; pss help %s", verb)
}

// takeWords returns the values of p at the beginning of words: a list takes every
// word that a comma joins.
func takeWords(p *param, words []string) (values, rest []string, err error) {
	if p.Kind != KindList || p.whole(words[0]) {
		return words[:1], words[1:], nil
	}
	r := argReader{words: words, next: 1}
	if values, err = r.list("-"+p.Name, words[0]); err != nil {
		return nil, nil, err
	}
	return values, words[r.next:], nil
}

// choose returns the name of the set that is meant: of those that are possible, the
// first whose mandatory parameters are there.
func (b *binder) choose() (string, error) {
	if err := b.oneForm(); err != nil {
		return "", err
	}
	for _, s := range b.possible {
		if b.missing(s) == "" {
			return s.name, nil
		}
	}
	if b.cmd.pipeline { // what is missing comes from standard input
		return b.possible[0].name, nil
	}
	var needed []string
	for _, s := range b.possible {
		if m := b.missing(s); !slices.Contains(needed, m) {
			needed = append(needed, m)
		}
	}
	return "", usage("MissingMandatoryParameter", "%s needs %s", b.cmd.name, strings.Join(needed, ", or ")).
		Hint("pss help %s", strings.ToLower(b.cmd.name))
}

// missing returns the first mandatory parameter of the set that is not bound.
func (b *binder) missing(s paramSet) string {
	for _, name := range s.mandatory {
		if p := b.cmd.param(name); !b.has(p) {
			return b.spell(p)
		}
	}
	return ""
}

// wordsForm stands for the words behind -- in command.forms.
const wordsForm = "--"

// oneForm checks that exactly one of the forms was given.
func (b *binder) oneForm() error {
	var given, all []string
	for _, name := range b.cmd.forms {
		if name == wordsForm {
			all = append(all, "-- COMMAND")
			if b.n.HasPassthrough {
				given = append(given, "--")
			}
			continue
		}
		p := b.cmd.param(name)
		all = append(all, b.spell(p)+" "+p.placeholder())
		if b.has(p) {
			given = append(given, b.spell(p))
		}
	}
	switch {
	case len(all) == 0 || len(given) == 1:
		return nil
	case len(given) == 0:
		return usage("MissingMandatoryParameter", "there is nothing to run").Hint("give %s", strings.Join(all, ", or "))
	}
	return usage("AmbiguousParameterSet", "%s cannot stand together", strings.Join(given, " and ")).Hint("give one of them")
}

// check replaces every value by its canonical spelling.
func (b *binder) check() error {
	args := slices.Clone(b.n.Args)
	for _, p := range b.given {
		if p.kind.check == nil {
			continue
		}
		prefix := "--" + p.FlagName() + "="
		for j, arg := range args {
			if !strings.HasPrefix(arg, prefix) {
				continue
			}
			v, err := p.checkOne(arg[len(prefix):])
			if err != nil {
				return err
			}
			args[j] = prefix + v
		}
	}
	b.n.Args = args
	return nil
}

func (p *param) checkAll(values []string) error {
	for _, v := range values {
		if _, err := p.checkOne(v); err != nil {
			return err
		}
	}
	return nil
}

// checkOne returns the value in its canonical spelling.
func (p *param) checkOne(text string) (string, error) {
	if p.kind.check == nil {
		return text, nil
	}
	v, err := p.kind.check(text)
	if err == nil {
		return v, nil
	}
	named := *err
	named.Message = "--" + p.FlagName() + " " + err.Message
	return "", api.AsError(&named)
}
