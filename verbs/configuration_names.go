package verbs

import (
	"context"
	"slices"

	"pss/remote/client"
)

// changeableNames returns the names of the configurations that are meant: a pattern is
// what it matches, - is what standard input names, and a name itself. For a deletion
// a pattern passes over what is built in and has no file, and must match something.
func changeableNames(ctx context.Context, rt *Runtime, f *failures, wanted []string, deletion bool) ([]string, error) {
	var names []string
	for _, w := range wanted {
		switch {
		case w == "-":
			piped, err := readConfigurationNames(rt.Stdin)
			if err != nil {
				return nil, err
			}
			names = append(names, piped...)
		case HasWildcard(w):
			found, err := configurationsNamed(ctx, rt, f, []string{w}, deletion)
			if err != nil {
				return nil, err
			}
			for _, c := range found {
				if !deletion || c.File != "" {
					names = append(names, c.Name)
				}
			}
		default:
			names = append(names, w)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// eachConfiguration changes the configurations for which that is agreed to.
func eachConfiguration(rt *Runtime, in *input, f *failures, names []string, change func(*client.Client, string) error) error {
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	for _, name := range names {
		ok, err := agreedTo(rt, in, name)
		if err != nil {
			return err
		}
		if ok {
			f.add(change(agent, name))
		}
	}
	return f.result(max(len(names), f.count))
}
