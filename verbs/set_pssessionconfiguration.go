package verbs

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pss/remote/api"
)

func init() { register("Set-PSSessionConfiguration", nil, newSetPSSessionConfiguration) }

func newSetPSSessionConfiguration() *command {
	return &command{
		name:     "Set-PSSessionConfiguration",
		synopsis: "Changes a session configuration of this computer.",
		notes: "Only the host's own user can. Only what is given changes; an empty value makes a property what is built in. " +
			"The change counts for the next session, without any restart; sessions that are there keep what they were made with. " +
			"Microsoft.PowerShell, bash and sh can be changed, too: that makes their file, and Unregister-PSSessionConfiguration takes it away again.",
		sets: []paramSet{{"NameParameterSet", []string{"Name"}}}, should: true,
		params:     append(configurationParams(), flag("Force", "ask nothing")),
		positional: [][]string{{"Name"}},
		examples: []example{
			{command: "pss set-pssessionconfiguration --name Test --transport-option '{\"OutputBufferingMode\":\"Drop\"}'", says: "what becomes of output that nobody receives",
				output: "Type          Name                 SourceOfValue  Value\n----          ----                 -------------  -----\nSystem.String OutputBufferingMode                 Drop"},
			{command: "pss set-pssessionconfiguration --name Microsoft.PowerShell --transport-option '{\"MaxIdleTimeoutSec\":\"30d\"}'", says: "for everybody who names no configuration"},
		},
		prints: configurationLeaf{},
		run:    runSetPSSessionConfiguration,
	}
}

// configurationLeaf is what PowerShell shows of a property that was changed.
type configurationLeaf struct {
	Type              string `table:"Type"` // System.String, as PowerShell's
	Name              string `table:"Name"`
	SourceOfValue     string `table:"SourceOfValue"` // empty, as PowerShell's
	Value             string `table:"Value"`
	ConfigurationName string
}

func runSetPSSessionConfiguration(ctx context.Context, rt *Runtime, in *input) error {
	c, err := readConfiguration(in)
	if err != nil {
		return err
	}
	name := in.String("name")
	changed := changedMembers(c)
	if len(changed) == 0 {
		return usage("MissingMandatoryParameter", "there is nothing to change").Hint("pss help set-pssessionconfiguration lists what there is")
	}
	if ok, err := agreedTo(rt, in, name); err != nil || !ok {
		return err
	}
	agent, err := rt.Agent()
	if err != nil {
		return err
	}
	made, err := agent.SetConfiguration(ctx, name, c)
	if err != nil {
		return err
	}
	return rt.write(configurationLeaves(made, changed))
}

// changedMembers are the members that a change touches, in their order.
func changedMembers(c *api.ConfigurationChange) []string {
	var names []string
	v := reflect.ValueOf(&c.Set).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; !v.Field(i).IsZero() || slices.Contains(c.Reset, name) {
			names = append(names, name)
		}
	}
	return names
}

// configurationLeaves shows the members as the configuration has them now.
func configurationLeaves(s *api.SessionConfiguration, names []string) []configurationLeaf {
	shown := newPSSessionConfiguration(s)
	var members map[string]any
	if data, err := json.Marshal(&shown); err == nil {
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber()
		_ = dec.Decode(&members) // it is our own
	}
	leaves := make([]configurationLeaf, 0, len(names))
	for _, name := range names {
		leaf := configurationLeaf{Type: "System.String", Name: name, ConfigurationName: s.Name}
		switch v := members[name].(type) {
		case nil:
		case bool:
			leaf.Value = map[bool]string{true: "True", false: "False"}[v]
		case string, json.Number:
			leaf.Value = fmt.Sprint(v)
		default:
			if text, err := json.Marshal(v); err == nil {
				leaf.Value = string(text)
			}
		}
		leaves = append(leaves, leaf)
	}
	return leaves
}
