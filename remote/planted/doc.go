// Package planted lets the test of the tests break one thing at a time. Built
// with the tag pss_planted, a process reads PSS_TEST_FAULT and On reports whether
// it names the fault, among others between commas; in every other build On is the
// constant false and the code behind it is not compiled in. scripts/planted switches
// each fault on and shows that the named test fails.
//
// Point names a place where it hurts to die. TestKillMatrix lets processes be killed
// or stopped exactly there; in every other build it is nothing.
package planted
