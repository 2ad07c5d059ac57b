package client

import (
	"context"
	"log/slog"
	"net/http"

	"pss/remote/api"
)

type requestIDKey struct{}

// ForRequest returns ctx for work that is done for the request with the context r but
// may outlive it: it carries r's id, by which people find it in the logs of everybody
// on the way.
func ForRequest(ctx, r context.Context) context.Context {
	id, _ := r.Value(requestIDKey{}).(string)
	if id == "" {
		return ctx
	}
	return context.WithValue(ctx, requestIDKey{}, id)
}

// traced logs each request that carries an id, and passes the id on to the requests
// that are made for it.
func traced(log *slog.Logger, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An id is a log's: what could fake a line of it is none.
		if id := r.Header.Get(api.HeaderRequestID); id != "" && len(id) <= maxRequestID {
			log.Info("request", "id", id, "method", r.Method, "path", r.URL.Path)
			r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		}
		h.ServeHTTP(w, r)
	})
}

// maxRequestID is more than any id of ours has.
const maxRequestID = 64
