// Colours that are told apart with any colour vision (Okabe and Ito), and shapes beside them.

const [printing, dark] = [matchMedia("print"), matchMedia("(prefers-color-scheme: dark)")]; // made once: each stays for as long as the page

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return printing.matches ? false : chosen ? chosen === "dark" : dark.matches;
}

const LIGHT = { ink: "#1c2128", muted: "#59636e", line: "#e4e7eb", zero: "#9aa4af", faint: "#aab3bd", panel: "#ffffff", good: "#00704f", bad: "#b34700", band: "rgba(0,114,178,0.10)", band2: "rgba(0,114,178,0.20)" };
const DARK = { ink: "#e6e9ed", muted: "#9aa5b1", line: "#2c333c", zero: "#6b7683", faint: "#66717d", panel: "#161a20", good: "#3fc79a", bad: "#f29b57", band: "rgba(86,180,233,0.13)", band2: "rgba(86,180,233,0.24)" };
const SETTINGS = {
  tuned: { light: "#0072b2", dark: "#56b4e9", symbol: "diamond" },
  current: { light: "#c05000", dark: "#f0883e", symbol: "square" },
  equal: { light: "#4d5560", dark: "#b9c2cc", symbol: "triangle-up" },
};
const OTHERS = [
  { light: "#007a5a", dark: "#2cc295", symbol: "circle" },
  { light: "#a8508a", dark: "#dd8fbe", symbol: "pentagon" },
  { light: "#8a6d00", dark: "#e3c322", symbol: "star" },
  { light: "#3b6aa0", dark: "#8db4e2", symbol: "hexagon" },
  { light: "#6d4c41", dark: "#bc9c90", symbol: "cross" },
];

export const theme = () => (isDark() ? DARK : LIGHT);

export function settingStyle(key, place = 0) {
  const style = SETTINGS[key] ?? OTHERS[place % OTHERS.length];
  return { color: isDark() ? style.dark : style.light, symbol: style.symbol };
}
