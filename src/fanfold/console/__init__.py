"""The web door: pages for people, on the same services as the API. No network and no build step: all it shows is in the
package."""
