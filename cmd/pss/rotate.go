package main

import (
	"context"
	"log/slog"
	"os"

	"pss/config"
	"pss/remote/host"
	"pss/verbs"
)

// rotateKey is pss host rotate.
func rotateKey(_ context.Context, finish bool) (verbs.HostKey, error) {
	paths, err := config.OfDaemon()
	if err != nil {
		return verbs.HostKey{}, err
	}
	conf, err := paths.LoadHost()
	if err != nil {
		return verbs.HostKey{}, err
	}
	r, err := host.Rotate(host.Options{Paths: paths, Config: conf, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}, finish)
	if err != nil {
		return verbs.HostKey{}, err
	}
	return verbs.HostKey(*r), nil
}
