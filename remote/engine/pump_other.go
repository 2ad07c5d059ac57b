//go:build unix && !linux

package engine

const fionread = 0x4004667f // FIONREAD of the BSDs
