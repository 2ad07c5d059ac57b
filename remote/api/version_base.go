//go:build !pss_next

package api

const versionSuffix = ""

type nextFields struct{}
