for (const button of document.querySelectorAll("button[hidden]")) button.hidden = false;
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.id === "theme") {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    return;
  }
  const text = document.getElementById(button.dataset.of).textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(document.getElementById(button.dataset.of));
    button.textContent = "selected";
  }
});
