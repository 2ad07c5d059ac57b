package verbs

import "encoding/json"

// writeOption prints an option object: as one line of JSON, for a variable of the
// shell or for the environment, unless the command line asks for something else.
func (rt *Runtime) writeOption(in *input, object any) error {
	if in.given("output") || in.given("property") {
		return rt.write(object)
	}
	data, err := json.Marshal(object)
	if err == nil {
		_, err = rt.Stdout.Write(append(data, '\n'))
	}
	return err
}
