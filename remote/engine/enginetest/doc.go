// Package enginetest is the conformance suite of remote/engine: whatever shell an
// engine drives, commands must behave as the suite says.
package enginetest
