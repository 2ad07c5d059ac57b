// Package api holds the words that every process of pss shares: the types that
// cross a wire or a disk, the paths of the protocol, the error codes and the
// one function that derives a session's State and Availability.
//
// It depends on the standard library alone and has no behaviour besides codecs
// and View. Values are strings or explicit numbers, never iota, and fields are
// only ever added: old agents, hosts and session hosts live on for weeks.
package api
