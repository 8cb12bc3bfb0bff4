/* Cookies for the user's choices, as the server sets them too: sent only where the page itself was, over TLS if it was. */

const MAX_AGE_SECONDS = 365 * 24 * 60 * 60;

/** Keep a choice for a year. Without a value, forget it. */
export function setCookie(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  const age = value ? MAX_AGE_SECONDS : 0;
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=${age}; samesite=lax${secure}`;
}
