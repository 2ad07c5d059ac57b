//go:build pss_next

package api

const versionSuffix = "-next"
