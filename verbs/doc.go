// Package verbs is the command line: one cmdlet, one file.
//
// To add a cmdlet, write verbs/<verb>_<noun>.go with
//
//  1. an options struct with what the parameters mean,
//  2. a function that returns its command: name, aliases, parameter sets, parameters
//     with their kinds of values, help. The command line is read, and everything
//     about it that can be wrong is refused, from this declaration alone,
//  3. a run function that takes the context, the Runtime and the options,
//  4. func init() { register(newVerbNoun) },
//
// a script below testdata/script/<verb>_<noun>/, and a golden help file (go test
// ./cmd/pss -run TestHelp -update). If it needs a new route: remote/api/routes.go,
// a method in remote/client, and a handler.
//
// A new sort of objects that cmdlets print is declared to the filters (Format-Table,
// Select-Object) by registerKind, beside the reading of its text.
//
// Help, manual pages and completion are made of the declarations: nothing has to be
// added for them, but in sourceOf where the values of a parameter live.
//
// Cmdlet files export nothing and do not call each other; what two of them need
// stands in a file named after it. A cmdlet reaches the world only through its
// Runtime, and no package of the processes: it asks the agent.
package verbs
