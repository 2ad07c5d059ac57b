package client

import (
	"context"
	"net/http"

	"pss/remote/api"
)

// Configurations lists the session configurations of this computer.
func (c *Client) Configurations(ctx context.Context) (*api.ConfigurationList, error) {
	list := &api.ConfigurationList{}
	return list, c.Do(ctx, Request{Method: http.MethodGet, Path: api.RouteConfigurations, Out: list})
}

// RegisterConfiguration makes a session configuration, and returns it with what is
// built in.
func (c *Client) RegisterConfiguration(ctx context.Context, req *api.ConfigurationRequest) (*api.SessionConfiguration, error) {
	s := &api.SessionConfiguration{}
	return s, c.Do(ctx, Request{Method: http.MethodPost, Path: api.RouteConfigurations, In: req, Out: s})
}

// SetConfiguration changes a session configuration. Sessions that are there keep what
// they were made with.
func (c *Client) SetConfiguration(ctx context.Context, name string, req *api.ConfigurationChange) (*api.SessionConfiguration, error) {
	s := &api.SessionConfiguration{}
	return s, c.Do(ctx, Request{Method: http.MethodPatch, Path: api.ConfigurationPath(name), In: req, Out: s})
}

// UnregisterConfiguration deletes a session configuration's file: what is built in
// comes back, anything else is gone.
func (c *Client) UnregisterConfiguration(ctx context.Context, name string) error {
	return c.Do(ctx, Request{Method: http.MethodDelete, Path: api.ConfigurationPath(name)})
}
