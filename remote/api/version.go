package api

// ProtocolVersion is the number in every path. It changes only when old and new
// could not speak to each other at all; until then things are added.
const ProtocolVersion = 1

// Version is the version of this build.
const Version = baseVersion + versionSuffix

const baseVersion = "0.1.0"
