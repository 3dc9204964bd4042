import { byId } from "./dom.js";
import { nextPath, post } from "./session.js";

const form = byId("login");
const problem = byId("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const submit = form.querySelector("button");
  submit.disabled = true;
  problem.hidden = true;
  try {
    await post("/session", { username: form.username.value, password: form.password.value });
    location.replace(nextPath());
  } catch (error) {
    problem.hidden = false;
    problem.textContent = error.status === 401
      ? "The name or the password is wrong. Check both and try again."
      : error.status === 429
        ? `Too many tries. Wait ${error.retryAfter || 60} seconds and try again.`
        : error.message;
    form.password.value = "";
    form.password.focus();
  } finally {
    submit.disabled = false;
  }
});
