// Package config finds pss's files and reads those that people write:
// config.toml of a client and host.toml of a daemon. An unknown key is refused
// with file, line and the nearest known key, so that a misspelt limit is never
// silently absent.
package config
