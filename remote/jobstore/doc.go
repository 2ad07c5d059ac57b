// Package jobstore keeps on disk what a child job has taken over from its session.
//
// A record is appended as it came, with the number and Seq that its session host gave
// it, and only then acknowledged there: so from the moment of the acknowledgement on
// the store is the only place that has it. What one process of the agent stored, the
// next one finds, together with the position behind which each pipeline goes on.
//
// The folder holds segments of frames as package api defines them, each named after
// the position of its first record, which counts from 1 over everything that was ever
// stored. The first frame of a segment is no record: it says how far each pipeline had
// come, so that opening a store reads one segment only. The file "taken" holds the
// position up to which the job's reader has everything; segments below it are deleted.
//
// It is not package spool: that counts its own records and stamps them with its own
// time, it blocks and drops, and its readers are many. Here the counts and times are
// the session's, there is no limit but the disk, and one reader takes.
package jobstore
