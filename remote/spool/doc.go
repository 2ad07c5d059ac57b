// Package spool keeps the output of one pipeline on disk: an append-only,
// checksummed log in a folder of its own, with one position up to which the
// final consumer has acknowledged it.
//
// The folder holds segment files, named by the Seq of their first record in
// hexadecimal (0000000000000001.seg), and a small file "state". A segment is a
// header (twice, so that one damaged sector does not cost the segment) followed
// by frames exactly as package api defines them: a reader hands out the bytes of
// the disk, and they go over the wire unchanged.
//
// # What is discarded
//
// All bookkeeping is by position: a Seq together with the number of stream bytes
// up to it. Two cuts say what is gone on purpose. The front cut covers all records
// up to a position: acknowledged segments above Options.Retain, and what Drop mode
// discards. The late cut covers output of background children, which may only push
// out output of its own kind: everything from the seal on up to a position.
// Everything else that is missing between two segments is damage. Since positions
// carry bytes, a reader's gap is the difference of two positions and thus exact.
//
// # Recycling
//
// A freed segment file is renamed to a spare one and written again as the next
// segment; its pages stay in the page cache, which is what makes long live
// output fast. Behind the new frames of such a file lie stale ones. They are
// never taken for data: the process that writes knows where its frames end, and
// recovery accepts a frame only if pipeline, Seq and checksum are the expected
// ones; a stale frame's Seq is always below its segment's first. A segment that
// a reader is reading is unlinked instead of recycled.
//
// # Crashes
//
// A killed process loses nothing that Append or Ack returned for. Sync bounds
// what a loss of power can cost. Open never appends to an old segment: the first
// record after it starts a new one, so old files are never written again.
package spool
