// Package worker is how the root daemon of a computer reaches a user's own host without
// touching anything of the user's: a process of that user, which we start, gets
// connections as open files and hands each on to the host of that user, which it starts
// if it does not run.
//
// Pool is the daemon's side; Run the worker's. The worker holds nothing: killed, it is
// started again with the next connection, and ends when the daemon does. What is handed
// on passes through it no more.
package worker
